import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPublicAddress } from '#common/public-address.ts';

for (const address of ['8.8.8.8', '1.1.1.1', '2606:4700::1', '2001:4860:4860::8888', '::ffff:8.8.8.8']) {
  test(`${address} is public`, () => {
    assert.equal(isPublicAddress(address), true);
  });
}

for (const address of [
  ...['127.0.0.1', '10.0.0.1', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'],
  ...['192.0.2.1', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255', '192.0.0.8'],
  ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fd00::1', 'fd00:ec2::254', 'ff02::1', '2001:db8::1', '100::1'],
  // Other ways to write or to carry a private IPv4 address.
  ...['::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '64:ff9b::a00:1', '64:ff9b:1::1', '2002:a00:1::', '2001::1'],
  ...['0177.0.0.1', '2130706433', '127.1', 'localhost', '', '1.2.3.4.5', '8.8.8.8:443', '[::1]'],
]) {
  test(`${address || 'nothing'} is not public`, () => {
    assert.equal(isPublicAddress(address), false);
  });
}
