#!/usr/bin/env python3
"""Plants each bug of tests/sim/bugs/ into a production source; the simulator has to find it.

    find_bugs.py BUILD_FOLDER [NAME ...] [--search] [--remember] [--seeds N] [--jobs N]

Each *.patch changes one file. It begins with what the bug is, and two lines that say how it shows:

    breaks: the invariant that must break; that another breaks is no proof. "anything" where it is
            not known yet which one it is
    seeds:  where it broke before, as "failover 12, mirror 7"

The changed copy is compiled with that file's own command and linked in front of the libraries, so
that everything else is the production code as it was built. The remembered seeds come first; where
none of them breaks the invariant any more, the scenario that they belong to is searched, and the
table says "anew". --search, or ISTHMUS_LONG=1, looks through the default seeds instead, as if
nothing was remembered. --remember writes into the patches what was found. Exits with 1 if a bug was
not found.
"""
import argparse
import concurrent.futures
import functools
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

SIM = Path(__file__).resolve().parent
SOURCE = SIM.parents[1]
BUGS = SIM / 'bugs'
RUNNER = 'tests/sim/isthmus-sim'
REMEMBERED = 3
ANYTHING = 'anything'


class Wrong(Exception):
    """A patch, or the build, is not what it has to be."""


class Mutant:
    def __init__(self, patch):
        self.patch = patch
        self.name = patch.stem
        self.head, _, body = patch.read_text().partition('--- a/')
        self.breaks = self.line('breaks')
        seeds = (entry.split() for entry in self.line('seeds').split(',') if entry.strip())
        self.seeds = [(scenario, int(seed)) for scenario, seed in seeds]
        self.path, _, body = body.partition('\n')
        self.hunks = re.split(r'^@@.*\n', body, flags=re.M)[1:]

    def line(self, key):
        found = re.search(rf'^{key}:(.*)$', self.head, re.M)
        return found[1].strip() if found else ''

    def text(self):
        """The source with the bug. A hunk applies where its old lines stand, once, at any line."""
        text = (SOURCE / self.path).read_text()
        for hunk in self.hunks:
            lines = hunk.splitlines(keepends=True)
            old = ''.join(line[1:] for line in lines if line[0] in ' -')
            new = ''.join(line[1:] for line in lines if line[0] in ' +')
            if text.count(old) != 1:
                raise Wrong(f'{self.name}: its lines stand {text.count(old)} times in {self.path}, '
                            'not once: write the patch anew')
            text = text.replace(old, new)
        return text

    def remember(self, found):
        """What broke this time stands first, then what broke before."""
        seeds = list(dict.fromkeys(found + self.seeds))[:REMEMBERED]
        line = 'seeds: ' + ', '.join(f'{scenario} {seed}' for scenario, seed in seeds)
        text = self.patch.read_text()
        if self.line('seeds'):
            text = re.sub(r'^seeds:.*$', line, text, count=1, flags=re.M)
        else:
            text = text.replace('--- a/', line + '\n--- a/', 1)
        self.patch.write_text(text)


def check_names(mutants):
    """An invariant that no source knows would never break."""
    sources = ''.join(path.read_text() for path in SIM.glob('*.[ch]*'))
    for mutant in mutants:
        if mutant.breaks != ANYTHING and f'"{mutant.breaks}"' not in sources:
            raise Wrong(f'{mutant.name}: no invariant is called "{mutant.breaks}"')


@functools.cache
def commands(build):
    entries = json.loads((build / 'compile_commands.json').read_text())
    return {Path(entry['file']): entry['command'] for entry in entries}


def compile_command(build, path, source, output):
    if SOURCE / path not in commands(build):
        raise Wrong(f'{path} is not part of the build')
    words = shlex.split(commands(build)[SOURCE / path])
    words[words.index('-o') + 1] = str(output)
    words[words.index('-c') + 1] = str(source)
    # Warnings about the bug itself are no news.
    return words + ['-w', '-iquote', str((SOURCE / path).parent)]


@functools.cache
def link_words(build):
    lines = subprocess.run(['ninja', '-C', build, '-t', 'commands', RUNNER], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return shlex.split(lines[-1].partition('&& ')[2].rpartition(' &&')[0] or lines[-1])


def link_command(build, mutant_object, output):
    words = list(link_words(build))
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
    for command in (compile_command(build, mutant.path, source, compiled),
                    link_command(build, compiled, runner)):
        done = subprocess.run(command, cwd=build, capture_output=True, text=True)
        if done.returncode != 0:
            raise Wrong(f'{mutant.name} does not compile:\n{done.stderr}')
    return runner


def hunt(runner, mutant, arguments):
    """The seeds that break the mutant's invariant, as (scenario, seed), and what broke instead."""
    environment = {k: v for k, v in os.environ.items() if k != 'ISTHMUS_LONG'}
    if mutant.breaks != ANYTHING:
        arguments = ['--breaks', mutant.breaks, *arguments]
    run = subprocess.run([runner, '--jobs', '1', *map(str, arguments)], capture_output=True,
                         text=True, errors='replace', env=environment)
    if run.returncode not in (0, 1):
        raise Wrong(f'{runner} ended with {run.returncode}:\n{run.stdout}{run.stderr}')
    found = re.findall(r'^  replay: isthmus-sim --seed (\d+) --scenario (\S+)', run.stdout, re.M)
    others = re.findall(r'^not sought: (.*)$', run.stdout, re.M)
    return [(scenario, int(seed)) for seed, scenario in found], others


def find(build, mutant, options):
    """(how, the seeds that broke it, what broke instead, seconds)."""
    began = time.monotonic()
    runner = plant(build, mutant)
    how, found, others = 'known', [], []
    many = ['--seeds', options.seeds, '--failures', REMEMBERED if options.remember else 1]
    if not options.search:
        for scenario, seed in mutant.seeds:
            one, _ = hunt(runner, mutant, ['--scenario', scenario, '--first', seed, '--seeds', 1])
            found += one
            if found and not options.remember:
                break
    if not found and mutant.seeds and not options.search:
        how = 'anew'
        found, others = hunt(runner, mutant, ['--scenario', mutant.seeds[0][0], *many])
    if not found:
        how = 'searched'
        found, others = hunt(runner, mutant, many)
    runner.unlink()
    return how, found, others, time.monotonic() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build', type=lambda text: Path(text).resolve())
    parser.add_argument('names', nargs='*')
    parser.add_argument('--search', action='store_true')
    parser.add_argument('--remember', action='store_true')
    parser.add_argument('--seeds', type=int, default=2000)
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    options = parser.parse_intermixed_args()
    options.search = options.search or os.environ.get('ISTHMUS_LONG') == '1'
    mutants = [Mutant(patch) for patch in sorted(BUGS.glob('*.patch'))]
    unknown = set(options.names) - {mutant.name for mutant in mutants}
    if unknown:
        raise Wrong('no such bug: ' + ', '.join(sorted(unknown)))
    check_names(mutants)
    chosen = [m for m in mutants if not options.names or m.name in options.names]
    missed = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        hunts = [pool.submit(find, options.build, mutant, options) for mutant in chosen]
        try:
            for mutant, result in zip(chosen, hunts):
                how, found, others, seconds = result.result()
                where = '{} {}'.format(*found[0]) if found else 'NOT FOUND'
                print(f'{mutant.name:42} {where:26} {how:9} {seconds:6.1f} s  {mutant.breaks}',
                      flush=True)
                if not found:
                    missed.append(mutant.name)
                    print('\n'.join(f'{"":42} {other}' for other in others), flush=True)
                elif options.remember:
                    mutant.remember(found)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if missed:
        sys.exit('not found: ' + ', '.join(missed))


if __name__ == '__main__':
    try:
        main()
    except Wrong as wrong:
        sys.exit(str(wrong))
