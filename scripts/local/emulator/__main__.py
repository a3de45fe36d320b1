"""`python -m scripts.local.emulator`: sets the environment, then imports and runs the emulator."""

import os
import shutil

from scripts.local.emulator.options import Options, parse, process_environment


def prepare_folders(options: Options) -> None:
    """Empty the work folder of an earlier run; state stays."""
    shutil.rmtree(options.work_dir, ignore_errors=True)
    for folder in (options.work_dir / "tmp", options.state_dir / "s3"):
        folder.mkdir(parents=True, exist_ok=True)


def main() -> None:
    options = parse()
    prepare_folders(options)
    environment = process_environment(options, os.environ)
    os.environ.clear()
    os.environ.update(environment)
    from scripts.local.emulator.server import serve  # after the environment: ministack reads it

    serve(options)


if __name__ == "__main__":
    main()
