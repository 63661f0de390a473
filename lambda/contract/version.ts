/** The release; test/unit/lambda/contract/version.test.ts holds it equal to package.json. */
export const PEMFLEET_VERSION = '0.1.0';
