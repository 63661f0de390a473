/** The checkout as it is now, copied, so that no change of a mutant ever reaches the checkout itself. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeTempDir } from '../support/temp-dir.ts';
import { type Mutant, misfitOf } from './mutant.ts';

/** Not tracked, and only read. */
const LINKED = ['node_modules', '.parts', 'dist'];

export class CheckoutCopy {
  readonly path: string;
  readonly remove: () => void;

  constructor() {
    const { path, remove } = makeTempDir();
    this.path = path;
    this.remove = remove;
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
    for (const file of listed.toString().split('\0')) {
      if (file !== '' && existsSync(file)) cpSync(file, join(path, file), { verbatimSymlinks: true });
    }
    for (const name of LINKED) {
      if (existsSync(name) && !existsSync(join(path, name))) symlinkSync(resolve(name), join(path, name));
    }
  }

  problemOf(mutant: Mutant): string | undefined {
    const path = join(this.path, mutant.file);
    return existsSync(path)
      ? misfitOf(mutant, readFileSync(path, 'utf8'))
      : `${mutant.rule}: there is no ${mutant.file}`;
  }

  /** @returns what takes the change back */
  apply({ file, before, after }: Mutant): () => void {
    const path = join(this.path, file);
    const text = readFileSync(path, 'utf8');
    // A function, for `$` in the text.
    writeFileSync(
      path,
      text.replace(before, () => after),
    );
    return () => writeFileSync(path, text);
  }
}
