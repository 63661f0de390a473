/**
 * Python's own time, as a module that it loads at its start: it sleeps no moment, and counts the seconds in the file `CLOCK`; with `PACE`, so many
 * for each.
 */
export const PYTHON_CLOCK = `import os, time
def now():
    with open(os.environ["CLOCK"]) as file:
        return float(file.read())
def sleep(seconds):
    later = now() + seconds * int(os.environ.get("PACE", "1"))
    with open(os.environ["CLOCK"], "w") as file:
        file.write(str(later))
time.sleep, time.monotonic = sleep, now
`;
