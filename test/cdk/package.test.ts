/** What an app gets by `import … from 'pemfleet'`: the bundle, which finds the programs that lie beside it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as source from '../../cdk/index.ts';
import { http01 } from './support.ts';

type Package = typeof source;

function templateOf({ PemfleetStack, pemfleetConfigOf }: Package): object {
  const app = new App({ builtinCloudFormationValidation: false });
  return Template.fromStack(
    new PemfleetStack(app, 'Pemfleet', { pemfleet: { config: pemfleetConfigOf(http01) } }),
  ).toJSON();
}

test('package: exports what cdk/index.ts exports, and it makes the same template', async () => {
  const name = 'pemfleet';
  const built: Package = await import(name);

  assert.deepEqual(Object.keys(built).sort(), Object.keys(source).sort());
  assert.deepEqual(templateOf(built), templateOf(source));
});
