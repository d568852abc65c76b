#!/usr/bin/env python3
"""Plants each bug of tests/sim/bugs/ into a production source; the simulator has to find it.

    find_bugs.py BUILD_FOLDER [NAME ...] [--seeds N]

Each *.patch changes one file. The changed copy is compiled with that file's own command and linked
in front of the libraries, so that everything else is the production code as it was built. The
default seeds must then break an invariant. Prints a table; exits with 1 if a bug was not found.
"""
import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUGS = Path(__file__).resolve().parent / 'bugs'
RUNNER = 'tests/sim/isthmus-sim'


class Mutant:
    def __init__(self, patch):
        self.name = patch.stem
        head, _, body = patch.read_text().partition('--- a/')
        self.what = ' '.join(head.split())
        self.path, _, body = body.partition('\n')
        self.hunks = re.split(r'^@@.*\n', body, flags=re.M)[1:]

    def text(self):
        """The source with the bug. A hunk applies where its old lines stand, once, at any line."""
        text = (SOURCE / self.path).read_text()
        for hunk in self.hunks:
            lines = hunk.splitlines(keepends=True)
            old = ''.join(line[1:] for line in lines if line[0] in ' -')
            new = ''.join(line[1:] for line in lines if line[0] in ' +')
            if text.count(old) != 1:
                sys.exit(f'{self.name}: its lines stand {text.count(old)} times in {self.path}, '
                         'not once: write the patch anew')
            text = text.replace(old, new)
        return text


def compile_command(build, path, source, output):
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        if Path(entry['file']) != SOURCE / path:
            continue
        words = shlex.split(entry['command'])
        words[words.index('-o') + 1] = str(output)
        words[words.index('-c') + 1] = str(source)
        # Warnings about the bug itself are no news.
        return words + ['-w', '-iquote', str((SOURCE / path).parent)]
    sys.exit(f'{path} is not part of the build')


def link_command(build, mutant_object, output):
    commands = subprocess.run(['ninja', '-C', build, '-t', 'commands', RUNNER], check=True,
                              capture_output=True, text=True).stdout.splitlines()
    words = shlex.split(commands[-1].partition('&& ')[2].rpartition(' &&')[0] or commands[-1])
    words[words.index('-o') + 1] = str(output)
    first_object = next(i for i, word in enumerate(words) if word.endswith('.o'))
    words.insert(first_object, str(mutant_object))
    return words


def plant(build, mutant):
    folder = build / 'tests/sim/bugs'
    folder.mkdir(parents=True, exist_ok=True)
    source, compiled = folder / f'{mutant.name}.cc', folder / f'{mutant.name}.o'
    runner = folder / mutant.name
    source.write_text(mutant.text())
    subprocess.run(compile_command(build, mutant.path, source, compiled), cwd=build, check=True)
    subprocess.run(link_command(build, compiled, runner), cwd=build, check=True)
    return runner


def hunt(runner, seeds):
    """The first finding: (seed and scenario, invariant), or None."""
    environment = {k: v for k, v in os.environ.items() if k != 'ISTHMUS_LONG'}
    run = subprocess.run([runner, '--seeds', str(seeds)], capture_output=True, text=True,
                         errors='replace', env=environment)
    broken = re.search(r'^BROKEN: (.*)\n.*\n  replay: isthmus-sim --seed (\d+) --scenario (\S+)',
                       run.stdout, re.M)
    if run.returncode == 1 and broken:
        return f'{broken[3]} {broken[2]}', broken[1]
    if run.returncode != 0:
        sys.exit(f'{runner} ended with {run.returncode}:\n{run.stdout}{run.stderr}')
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build', type=lambda text: Path(text).resolve())
    parser.add_argument('names', nargs='*')
    parser.add_argument('--seeds', type=int, default=2000)
    options = parser.parse_intermixed_args()
    mutants = [Mutant(patch) for patch in sorted(BUGS.glob('*.patch'))]
    missed = []
    for mutant in mutants:
        if options.names and mutant.name not in options.names:
            continue
        runner = plant(options.build, mutant)
        begin = time.monotonic()
        found = hunt(runner, options.seeds)
        runner.unlink()
        where, invariant = found or ('NOT FOUND', mutant.what)
        print(f'{mutant.name:30} {where:18} {time.monotonic() - begin:6.1f} s  {invariant}',
              flush=True)
        if not found:
            missed.append(mutant.name)
    if missed:
        sys.exit('the default seeds do not find: ' + ', '.join(missed))


if __name__ == '__main__':
    main()
