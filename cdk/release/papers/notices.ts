/** The licences of the packages that a bundle holds: most of them ask that their text goes where their code goes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A package of npm whose code is in a bundle. */
export interface BundledPackage {
  name: string;
  version: string;
  /** SPDX expression. */
  license: string;
  /** Texts of its licence and notice files. */
  texts: readonly string[];
}

const LICENSE_FILE = /^(licen[cs]e|copying|notice|copyright)(\.(md|txt)|-mit|-apache)?$/i;

/**
 * @param folder of an installed package
 * @throws Error if it does not say its licence: such code must not be shipped
 */
export function readBundledPackage(folder: string): BundledPackage {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (typeof license !== 'string' || license === '') {
    throw new Error(
      `${folder}/package.json: wanted "license" with an SPDX expression, saw ${JSON.stringify(license)}`,
    );
  }
  const files = readdirSync(folder).filter((file) => LICENSE_FILE.test(file));
  const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return { name, version, license, texts };
}

const RULE = '-'.repeat(80);

/** @returns the text of a NOTICE file: equal licence texts stand once, after the names of all packages that have them */
export function noticeText(program: string, packages: readonly BundledPackage[]): string {
  const byText = new Map<string, string[]>();
  for (const { name, version, license, texts } of packages) {
    const text = texts.length > 0 ? texts.join('\n\n') : `(The package names its licence, ${license}, only.)`;
    byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const head = [
    `${program} is licensed under the Apache License 2.0, which stands in LICENSE.`,
    `It holds code of the ${packages.length} packages below, under the licences that follow their names.`,
  ];
  const parts = [...byText].map(([text, names]) => `${RULE}\n${names.join('\n')}\n\n${text}\n`);
  return [`${head.join('\n')}\n`, ...parts].join('\n');
}
