/** A package before it is a .deb or an .rpm. */

import type { Arch } from '../runtime.ts';
import type { PackageFile, ProgramName } from './contents.ts';
import type { MaintainerScripts } from './maintainer-scripts.ts';

export interface BinaryPackage {
  name: ProgramName;
  version: string;
  arch: Arch;
  files: readonly PackageFile[];
  scripts: MaintainerScripts;
  summary: string;
  description: readonly string[];
  maintainer: string;
  /** Time of all files, in seconds since 1970. */
  seconds: number;
}
