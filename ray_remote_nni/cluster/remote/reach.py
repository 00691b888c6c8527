"""Listens on a machine's ports for the other machines, and tries theirs: who reaches whom.

Runs in any Python 3.6 and up. Whoever connects is told a secret word first, so that nobody takes his own machine, or
a stranger's, for the one that he wanted: private addresses are the same on many.
"""

import errno
import json
import socket
import threading

_PATIENCE_S = 3
_AT_ONCE = 64


def main(arguments, stream):
    """Listen on `ports` (0: any); then answer each line of targets with a line of what came of them.

    The first line printed is {"ports": what is listened on, "taken": the ports that others have}. A target is
    [address, port, word]; its answer is "" where that machine was reached, else why not.
    """
    listeners, taken = [], []
    for port in arguments["ports"]:
        try:
            listeners.append(listen(port))
        except OSError:
            taken.append(port)
    for listener in listeners:
        threading.Thread(target=greet, args=(listener, arguments["word"].encode()), daemon=True).start()
    say(arguments["mark"], {"ports": [listener.getsockname()[1] for listener in listeners], "taken": taken})
    for line in stream:
        say(arguments["mark"], try_all(json.loads(line.decode())))


def say(mark, answer):
    """Print an answer as a line that is known by its mark."""
    print("\n" + mark + json.dumps(answer), flush=True)


def listen(port):
    """Return a socket that listens on a port at all addresses of both kinds, as far as the machine has them."""
    if socket.has_ipv6:
        both = socket.socket(socket.AF_INET6)
        try:
            both.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            both.bind(("::", port))
            both.listen(128)
            return both
        except OSError as error:
            both.close()
            if error.errno == errno.EADDRINUSE:
                raise
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("", port))
    one.listen(128)
    return one


def greet(listener, word):
    """Tell the word to whoever comes."""
    while True:
        connection, _ = listener.accept()
        try:
            connection.sendall(word)
        except OSError:
            pass
        connection.close()


def try_all(targets):
    """Try all targets, many at once; return their answers in order."""
    answers = [""] * len(targets)
    waiting = list(enumerate(targets))

    def work():
        while True:
            try:
                index, target = waiting.pop()
            except IndexError:
                return
            answers[index] = attempt(*target)

    threads = [threading.Thread(target=work) for _ in range(min(_AT_ONCE, len(targets)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def attempt(address, port, word):
    """Return an empty text where the machine with the word answers, else why not."""
    try:
        with socket.create_connection((address, port), timeout=_PATIENCE_S) as connection:
            said = b""
            while len(said) < len(word):
                part = connection.recv(100)
                if not part:
                    break
                said += part
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return "" if said == word.encode() else "another machine answers"
