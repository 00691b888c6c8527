"""Train a small neural network on handwritten digits; report its accuracy after each epoch and at the end."""

import argparse
import os

# Several trials share a machine, and matrices this small gain nothing from more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import nni
from nni.utils import merge_parameter
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier


def get_arguments():
    parser = argparse.ArgumentParser(description="Handwritten digits")
    parser.add_argument("--hidden_size", type=int, default=32)
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--alpha", type=float, default=0.0001)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main(args):
    images, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images / 16.0, digits, test_size=0.3, stratify=digits, random_state=args.seed
    )
    model = MLPClassifier(
        hidden_layer_sizes=(args.hidden_size,),
        activation=args.activation,
        learning_rate_init=args.lr,
        alpha=args.alpha,
        batch_size=args.batch_size,
        random_state=args.seed,
    )
    for epoch in range(args.epochs):
        model.partial_fit(train_x, train_y, classes=range(10))
        accuracy = model.score(test_x, test_y)
        print(f"epoch {epoch + 1}: accuracy {accuracy:.4f}")
        nni.report_intermediate_result(accuracy)
    nni.report_final_result(accuracy)


if __name__ == "__main__":
    main(merge_parameter(get_arguments(), nni.get_next_parameter()))
