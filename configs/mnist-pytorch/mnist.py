"""Train a convolutional network on MNIST with PyTorch; report its accuracy (%) after each epoch and at the end."""

import argparse

import nni
import torch
from nni.utils import merge_parameter
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def get_arguments():
    parser = argparse.ArgumentParser(description="MNIST with PyTorch")
    parser.add_argument("--data_dir", default="./data")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--hidden_size", type=int, default=512)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no_cuda", action="store_true")
    return parser.parse_known_args()[0]


def network(hidden_size):
    return nn.Sequential(
        nn.Conv2d(1, 20, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 4 * 50, hidden_size),
        nn.ReLU(),
        nn.Linear(hidden_size, 10),
    )


def loaders(args):
    # The mean and the deviation of MNIST's own pixels.
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train = datasets.MNIST(args.data_dir, train=True, download=True, transform=transform)
    test = datasets.MNIST(args.data_dir, train=False, download=True, transform=transform)
    return DataLoader(train, batch_size=args.batch_size, shuffle=True), DataLoader(test, batch_size=1000)


def train(model, loader, optimizer, device):
    model.train()
    for images, digits in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images.to(device)), digits.to(device))
        loss.backward()
        optimizer.step()


@torch.no_grad()
def accuracy_of(model, loader, device):
    model.eval()
    right = sum((model(images.to(device)).argmax(1).cpu() == digits).sum().item() for images, digits in loader)
    return 100.0 * right / len(loader.dataset)


def main(args):
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() and not args.no_cuda else "cpu"
    train_loader, test_loader = loaders(args)
    model = network(args.hidden_size).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)
    for epoch in range(args.epochs):
        train(model, train_loader, optimizer, device)
        accuracy = accuracy_of(model, test_loader, device)
        print(f"epoch {epoch + 1}: accuracy {accuracy:.2f} %")
        nni.report_intermediate_result(accuracy)
    nni.report_final_result(accuracy)


if __name__ == "__main__":
    main(merge_parameter(get_arguments(), nni.get_next_parameter()))
