"""The command line: python -m python_models COMMAND; `--help` lists the commands."""

import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace

from python_models.calibrate import calibrate
from python_models.demo import demo
from python_models.errors import UserError
from python_models.evaluate import evaluate
from python_models.export import export
from python_models.generate import generate
from python_models.pairwise import pairwise
from python_models.predict import predict
from python_models.proposals import proposals
from python_models.recipes import format_recipes, recipe_settings
from python_models.settings import TrainSettings
from python_models.track import track
from python_models.train import SETTINGS_FILE, train
from python_models.zoo import list_models

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def show_models(pattern: str = "*") -> None:
    """Print the names of the models.

    Args:
        pattern: shell-style pattern of names.
    """
    print("\n".join(list_models(pattern)))


def show_recipes(pattern: str = "*") -> None:
    """Print the published settings that `train --recipe` starts from, with what they gave.

    Args:
        pattern: shell-style pattern of names, of recipes or of their models.
    """
    print(format_recipes(pattern))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "evaluate": evaluate,
    "predict": predict,
    "track": track,
    "export": export,
    "demo": demo,
    "generate": generate,
    "calibrate": calibrate,
    "pairwise": pairwise,
    "proposals": proposals,
    "list": show_models,
    "recipes": show_recipes,
}


class Parser(ArgumentParser):
    """Answers wrong arguments with one sentence."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        # Required options are listed as COMMAND.option.
        named = re.sub(rf"\b(?:{'|'.join(FUNCTIONS)}|train)\.(?=\w)", "--", " ".join(message.split()))
        raise UserError(named)


def build_parser() -> Parser:
    """One subcommand per function, its options from the function's signature and docstring."""
    parser = Parser(prog="python -m python_models", description="Train, score and run 2D pose models.")
    commands = parser.add_subcommands()
    training = Parser(description="Train a model; --recipe NAME starts from published settings.")
    training.add_argument("--config", action="config", help="YAML or JSON file with options")
    training.add_class_arguments(TrainSettings)
    commands.add_subcommand("train", training, help="train a model")
    for name, function in FUNCTIONS.items():
        command = Parser(description=(function.__doc__ or "").splitlines()[0])
        command.add_argument("--config", action="config", help="YAML or JSON file with options")
        if function is predict:  # several files, as a shell expands *.jpg
            command.add_argument(
                "--images", nargs="+", type=str, required=True, help="image files or folders"
            )
        if function is track:
            command.add_argument(
                "video", type=str, help="video file, or folder of images in the order of their names"
            )
        given = {predict: {"images"}, track: {"video"}}.get(function)
        command.add_function_arguments(function, skip=given)
        commands.add_subcommand(name, command, help=(function.__doc__ or "").splitlines()[0])
    return parser


def normalise(arguments: Sequence[str]) -> list[str]:
    """Accept --batch-size for --batch_size, and `list 'pose_*'`; --help where nothing is asked for.

    --recipe NAME and --resume FOLDER bring their settings first.
    """
    result = [part for argument in arguments for part in _parts(_with_underscores(argument))] or ["--help"]
    if result[0] in ("list", "recipes") and len(result) == 2 and not result[1].startswith("-"):
        return [result[0], "--pattern", result[1]]
    if result[0] == "train" and _place(result, "--epochs") and not _place(result, "--phase_epochs"):
        # Else the phases' epochs of a recipe, or of an earlier run, would win.
        result.insert(_place(result, "--epochs"), "--phase_epochs=[]")
    if "--recipe" in result[1:-1] and result[0] == "train":
        place = result.index("--recipe")
        settings = recipe_settings(result[place + 1])
        result = ["train", "--config", json.dumps(settings), *result[1:place], *result[place + 2 :]]
    if "--resume" not in result[1:-1] or result[0] != "train":
        return result
    settings = Path(result[result.index("--resume") + 1]) / SETTINGS_FILE
    if not settings.is_file():
        raise UserError(f"resume {settings.parent}: holds no {SETTINGS_FILE} of an earlier run")
    return ["train", "--config", str(settings), *result[1:]]


def _place(arguments: Sequence[str], option: str) -> int:
    """Where an option is given, as --option VALUE or --option=VALUE, after the command; 0: nowhere."""
    return next((place for place, own in enumerate(arguments) if own.partition("=")[0] == option), 0)


def _parts(argument: str) -> list[str]:
    """--resume=FOLDER and --recipe=NAME as two arguments."""
    return argument.split("=", 1) if argument.startswith(("--resume=", "--recipe=")) else [argument]


def _with_underscores(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def is_first_process() -> bool:
    """False in the further processes that torchrun or Fabric started."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def run_train(options: Namespace) -> int:
    result = train(TrainSettings(**options.as_dict()))
    if not is_first_process():
        return EXIT_INTERRUPTED if result.stopped else 0
    if result.stopped:
        print(f"stopped; go on with: python -m python_models train --resume {result.folder}")
        return EXIT_INTERRUPTED
    print(f"finished; the best weights are {result.folder / 'best.pt'}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; wrong input gives one sentence on standard error and exit code 2."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("python_models").setLevel(logging.INFO if is_first_process() else logging.WARNING)
    try:
        parser = build_parser()
        options = parser.parse_args(normalise(sys.argv[1:] if arguments is None else arguments))
        command = options.subcommand
        chosen = parser.instantiate(options)[command]
        chosen.pop("config", None)
        if command == "train":
            return run_train(chosen)
        answer = FUNCTIONS[command](**chosen.as_dict())
        return answer if isinstance(answer, int) else 0
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def format_warning(message: Warning | str, *_: Any) -> str:
    """Warnings as a line for whoever runs the command, without the place in the code."""
    return f"warning: {message}\n"


if __name__ == "__main__":
    warnings.formatwarning = format_warning
    sys.exit(main())
