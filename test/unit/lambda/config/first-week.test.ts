/** What people get wrong in their first week with pemfleet.yaml: each row's whole message, with place, what was seen, what is wanted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '#common/config-error.ts';
import { parseConfig } from '../../../../lambda/config/yaml.ts';
import { thrownBy } from '../../../support/thrown-by.ts';

const head = `bucket: file:///b
acme:
  directoryUrl: letsencrypt
  termsOfServiceAgreed: true
`;
/** As a shell would fill it in. */
const variable = (name: string) => `$${`{${name}}`}`;
/** Lines 6 and on. */
const cert = (lines: string) => `${head}certificates:\n  - ${lines}\n`;
const acme = (line: string) => `${head}  ${line}\ncertificates:\n  - identifiers: [a.test]\n`;
const top = (line: string) => `${cert('identifiers: [a.test]')}${line}\n`;
const bucket = (url: string) => cert('identifiers: [a.test]').replace('file:///b', url);

const ROWS: [says: string, text: string, faults: string[]][] = [
  [
    'domains: of certbot',
    cert('domains: [www.example.com]'),
    [
      'p.yaml:6:5: certificates[0].domains: unknown key; did you mean identifiers? It holds all names of a certificate: identifiers: [www.example.com]',
    ],
  ],
  [
    'one domain',
    cert('domain: a.test'),
    [
      'p.yaml:6:5: certificates[0].domain: unknown key; did you mean identifiers? It holds all names of a certificate: identifiers: [www.example.com]',
    ],
  ],
  [
    'email: at the top',
    top('email: ops@example.com'),
    [
      'p.yaml:7:1: email: unknown key; did you mean acme.contact? It is a list of URLs: contact: [mailto:ops@example.com]',
    ],
  ],
  [
    'email: of acme',
    acme('email: ops@example.com'),
    [
      'p.yaml:5:3: acme.email: unknown key; did you mean acme.contact? It is a list of URLs: contact: [mailto:ops@example.com]',
    ],
  ],
  [
    'server: of certbot and cert-manager',
    acme('server: https://x'),
    [
      'p.yaml:5:3: acme.server: unknown key; did you mean acme.directoryUrl? It is letsencrypt, letsencrypt-staging, or the URL of a directory',
    ],
  ],
  [
    'fleet: in place of fleets',
    cert('identifiers: [a.test]\n    fleet: edge'),
    [
      'p.yaml:7:5: certificates[0].fleet: unknown key; did you mean fleets? Each certificate names the fleets that get it: fleets: [default]',
    ],
  ],
  [
    'renewBefore: of cert-manager',
    cert('identifiers: [a.test]\n    renewBefore: 720h'),
    [
      'p.yaml:7:5: certificates[0].renewBefore: unknown key; there is no such setting: the renewal window of the CA (ARI) says when, or else a third of the lifetime (docs/config.md)',
    ],
  ],
  [
    'a typo in a key that must be there',
    cert('identifers: [a.test]'),
    ['p.yaml:6:5: certificates[0].identifers: unknown key; did you mean identifiers?'],
  ],
  [
    'a typo at the top',
    top('concurency: 3'),
    ['p.yaml:7:1: concurency: unknown key; did you mean concurrency?'],
  ],
  [
    'an underscore in place of a capital',
    acme('directory_url: x'),
    ['p.yaml:5:3: acme.directory_url: unknown key; did you mean directoryUrl?'],
  ],
  [
    'a letter too many',
    acme('termsOfServicesAgreed: true'),
    ['p.yaml:5:3: acme.termsOfServicesAgreed: unknown key; did you mean termsOfServiceAgreed?'],
  ],
  [
    'a key at the wrong place',
    top('directoryUrl: letsencrypt'),
    ['p.yaml:7:1: directoryUrl: unknown key; it belongs to acme.directoryUrl or fallback[].directoryUrl'],
  ],
  [
    "a key of the agent's",
    top('statsSocket: /x'),
    ['p.yaml:7:1: statsSocket: unknown key; it belongs into agent.yaml, the file of the agent on each host'],
  ],
  [
    'a key like no other',
    top('banana: 1'),
    [
      'p.yaml:7:1: banana: unknown key; there are bucket, acme, fallback, challenge, dns, wakeMinutes, concurrency, ordersPer3Hours, hosts, keyRetention, contract, probe, metrics, notify, statusPage, certificates',
    ],
  ],
  [
    'a wildcard without quotes in a list',
    cert('identifiers: [*.example.com]'),
    [
      'p.yaml:6:19: *.example.com: a name with * needs quotes, because * is an alias in YAML: write "*.example.com"',
    ],
  ],
  [
    'a wildcard without quotes in a line',
    cert('identifiers:\n      - *.example.com'),
    [
      'p.yaml:7:9: *.example.com: a name with * needs quotes, because * is an alias in YAML: write "*.example.com"',
    ],
  ],
  [
    'an alias without an anchor',
    cert('identifiers: *names'),
    [
      'p.yaml:6:18: *names: an alias without its anchor &names; a text that begins with * needs quotes: write "*names"',
    ],
  ],
  [
    'yes in place of true',
    acme('').replace('Agreed: true', 'Agreed: yes'),
    [
      'p.yaml:4:25: acme.termsOfServiceAgreed: must be true: read the terms of service of the CA, then agree; saw "yes": write true, without quotes',
    ],
  ],
  [
    'on in place of true',
    top('probe: { allowPrivate: on }'),
    ['p.yaml:7:24: probe.allowPrivate: wanted true or false, saw "on": write true, without quotes'],
  ],
  [
    'off in place of false',
    top('probe: "off"'),
    [
      'p.yaml:7:8: probe: wanted true or false, or an object: "key: value" lines below it, saw "off": write false, without quotes',
    ],
  ],
  [
    'no in place of false',
    cert('identifiers: [a.test]\n    reuseKey: no'),
    ['p.yaml:7:15: certificates[0].reuseKey: wanted true or false, saw "no": write false, without quotes'],
  ],
  [
    'an empty file',
    '',
    ['p.yaml:1:1: (whole file): the file is empty, but for comments: wanted bucket, acme, certificates'],
  ],
  [
    'only comments',
    '# only\n',
    ['p.yaml:1:1: (whole file): the file is empty, but for comments: wanted bucket, acme, certificates'],
  ],
  [
    'only the marker of a document',
    '---\n',
    ['p.yaml:1:4: (whole file): the file is empty, but for comments: wanted bucket, acme, certificates'],
  ],
  [
    'two documents',
    `${cert('identifiers: [a.test]')}---\nbucket: x\n`,
    [
      'p.yaml:8:1: a second document begins here ("---" divides them); wanted one: put the keys of both into one',
    ],
  ],
  [
    'a tag for the environment',
    bucket('!ENV BUCKET'),
    ['p.yaml:1:9: !ENV: unknown tag; nothing is taken from elsewhere by one: write the value itself'],
  ],
  [
    'a variable of the shell',
    bucket(variable('BUCKET')),
    [
      `p.yaml:1:9: "${variable('BUCKET')}": no variable is filled in here; write the value itself, or, for the bucket, set PEMFLEET_BUCKET`,
    ],
  ],
  [
    'a variable inside a URL',
    bucket(`s3://${variable('BUCKET:-x')}/y`),
    [
      `p.yaml:1:9: "s3://${variable('BUCKET:-x')}/y": no variable is filled in here; write the value itself, or, for the bucket, set PEMFLEET_BUCKET`,
    ],
  ],
  [
    'a template that nobody filled in',
    bucket('"{{ bucket }}"'),
    [
      `p.yaml:1:9: "{{ bucket }}": no variable is filled in here; write the value itself, or, for the bucket, set PEMFLEET_BUCKET`,
    ],
  ],
  [
    'a tab as indentation',
    'acme:\n\tdirectoryUrl: x\n',
    ['p.yaml:2:1: not YAML: a tab; YAML takes spaces only for the indentation: put two spaces in its place'],
  ],
  [
    'a key twice',
    top('bucket: file:///c'),
    ['p.yaml:7:1: bucket: stands twice at this place; keep one, and put what both say into it'],
  ],
  [
    'a bucket at http://',
    bucket('http://minio:9000/certs'),
    [
      'p.yaml:1:9: bucket: wanted a bucket URL such as s3://my-certificates or file:///var/lib/pemfleet/bucket; a store that is not AWS is s3://BUCKET?endpoint=http://HOST, a bucket of AWS is s3://BUCKET; saw "http://minio:9000/certs"',
    ],
  ],
  [
    'a bucket with one slash',
    bucket('s3:/x'),
    [
      'p.yaml:1:9: bucket: wanted s3://<bucket>/<prefix>, saw no name of a bucket: two slashes, then the name',
    ],
  ],
  [
    'a bucket without a name',
    bucket('s3://'),
    [
      'p.yaml:1:9: bucket: wanted s3://<bucket>/<prefix>, saw no name of a bucket: two slashes, then the name',
    ],
  ],
  [
    'a relative path for a bucket',
    bucket('./bucket'),
    ['p.yaml:1:9: bucket: wanted a URL with an absolute path: file:///…; saw "./bucket"'],
  ],
  [
    'a plain path for a bucket',
    bucket('/srv/bucket'),
    ['p.yaml:1:9: bucket: wanted a URL with an absolute path: file:///srv/bucket; saw "/srv/bucket"'],
  ],
  [
    'a file: URL with two slashes',
    bucket('file://srv/bucket'),
    ['p.yaml:1:9: bucket: wanted three slashes: file:///srv/bucket; saw "file://srv/bucket"'],
  ],
  [
    'the bare name of a bucket',
    bucket('my-bucket'),
    [
      'p.yaml:1:9: bucket: wanted a bucket URL such as s3://my-certificates or file:///var/lib/pemfleet/bucket; saw "my-bucket"',
    ],
  ],
  [
    'a bucket that S3 cannot have',
    bucket('s3://My_Bucket'),
    [
      'p.yaml:1:9: bucket: wanted s3://<bucket>/<prefix>; names have 3 to 63 small letters, digits, dots and hyphens, saw My_Bucket',
    ],
  ],
  [
    'the ARN of a bucket',
    bucket('arn:aws:s3:::my-bucket'),
    ['p.yaml:1:9: bucket: wanted a URL: s3://my-bucket; saw "arn:aws:s3:::my-bucket"'],
  ],
  [
    'an option of a bucket with a typo',
    bucket('s3://my-bucket?regoin=eu'),
    [
      'p.yaml:1:9: bucket: regoin is no option; there are endpoint, region, kms-key, path-style, writer, insecure',
    ],
  ],
  [
    'keys in the URL of a bucket, which are not quoted',
    bucket('s3://key:secret@bucket'),
    ['p.yaml:1:9: bucket: keys do not stand in the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
  ],
  [
    'no bucket',
    cert('identifiers: [a.test]').replace('bucket: file:///b\n', ''),
    [
      'p.yaml:1:1: bucket: is missing: wanted a string. Bucket URL: s3://bucket/prefix or file:///absolute/path.',
    ],
  ],
  [
    'nothing behind bucket:',
    bucket(''),
    ['p.yaml:1:1: bucket: wanted a string, saw nothing behind the colon'],
  ],
  [
    'a number for a bucket',
    bucket('5'),
    ['p.yaml:1:9: bucket: wanted a string, saw the number 5: put it in quotes, "5"'],
  ],
  [
    'a name with an underscore',
    cert('identifiers: [my_host.example.com]'),
    [
      'p.yaml:6:19: certificates[0].identifiers[0]: "my_host.example.com" has an underscore, which public CAs refuse: rename it; only a private CA, one with caFile, can certify it',
    ],
  ],
  [
    'a name with a dot at its end',
    cert('identifiers: [www.example.com.]'),
    [
      'p.yaml:6:19: certificates[0].identifiers[0]: "www.example.com." has a dot at its end: wanted www.example.com',
    ],
  ],
  [
    'a URL in place of a name',
    cert('identifiers: ["https://www.example.com/x"]'),
    [
      'p.yaml:6:19: certificates[0].identifiers[0]: "https://www.example.com/x" is a URL: wanted the name alone, www.example.com',
    ],
  ],
  [
    'an address with a port',
    cert('identifiers: ["192.0.2.1:443"]'),
    [
      'p.yaml:6:19: certificates[0].identifiers[0]: "192.0.2.1:443" has a port: wanted 192.0.2.1; a certificate holds for all ports',
    ],
  ],
  [
    'an IPv6 address with brackets and port',
    cert('identifiers: ["[2001:db8::1]:443"]'),
    [
      'p.yaml:6:19: certificates[0].identifiers[0]: "[2001:db8::1]:443" has a port: wanted 2001:db8::1; a certificate holds for all ports',
    ],
  ],
  [
    'an e-mail address in place of a name',
    cert('identifiers: [ops@example.com]'),
    [
      'p.yaml:6:19: certificates[0].identifiers[0]: "ops@example.com" is an e-mail address: wanted a DNS name; acme.contact takes mailto: URLs',
    ],
  ],
  [
    'names in one text in place of a list',
    cert('identifiers: www.example.com, example.com'),
    [
      'p.yaml:6:18: certificates[0].identifiers: wanted a list, saw "www.example.com, example.com": write [www.example.com, example.com]',
    ],
  ],
  [
    'two names in one',
    cert('identifiers: ["a.test b.test"]'),
    [
      'p.yaml:6:19: certificates[0].identifiers[0]: "a.test b.test" holds several names: wanted each for itself, [a.test, b.test]',
    ],
  ],
  [
    'a network in place of an address',
    cert('identifiers: [192.0.2.0/24]'),
    [
      'p.yaml:6:19: certificates[0].identifiers[0]: "192.0.2.0/24" is a network: wanted an address, without / and what follows',
    ],
  ],
  [
    'a number in place of a name',
    cert('identifiers: [123]'),
    [
      'p.yaml:6:19: certificates[0].identifiers[0]: wanted a string, saw the number 123: put it in quotes, "123"',
    ],
  ],
  [
    'nothing behind identifiers:',
    cert('identifiers:'),
    ['p.yaml:6:5: certificates[0].identifiers: wanted a list, saw nothing behind the colon'],
  ],
  [
    'null in place of a name',
    cert('identifiers: [~]'),
    ['p.yaml:6:19: certificates[0].identifiers[0]: wanted a string, saw nothing behind the colon'],
  ],
  [
    'an e-mail address without mailto:',
    acme('contact: [ops@example.com]'),
    ['p.yaml:5:13: acme.contact[0]: wanted mailto:ops@example.com; saw "ops@example.com"'],
  ],
  [
    'an e-mail address in place of a list',
    acme('contact: ops@example.com'),
    ['p.yaml:5:12: acme.contact: wanted a list, saw "ops@example.com": write [mailto:ops@example.com]'],
  ],
  [
    'an unquoted number that begins with 0',
    cert('identifiers: [a.test]\n    name: 0123'),
    ['p.yaml:7:11: certificates[0].name: wanted a string, saw the number 0123: put it in quotes, "0123"'],
  ],
  [
    'a key type in capitals',
    cert('identifiers: [a.test]\n    keyType: RSA'),
    ['p.yaml:7:14: certificates[0].keyType: wanted ec256, ec384, rsa2048, rsa4096, saw "RSA"'],
  ],
  [
    'a key type with a typo',
    cert('identifiers: [a.test]\n    keyType: ec265'),
    [
      'p.yaml:7:14: certificates[0].keyType: wanted ec256, ec384, rsa2048, rsa4096, saw "ec265"; did you mean ec256?',
    ],
  ],
  [
    "a CA's word with a typo",
    acme('').replace('directoryUrl: letsencrypt', 'directoryUrl: letsencript'),
    [
      'p.yaml:3:17: acme.directoryUrl: wanted an https:// URL or one of letsencrypt, letsencrypt-staging, google, zerossl; did you mean letsencrypt?',
    ],
  ],
  [
    'minutes with a unit',
    top('wakeMinutes: 30m'),
    ['p.yaml:7:14: wakeMinutes: wanted a number, saw "30m": write a number without a unit'],
  ],
  [
    'a number in quotes',
    top('concurrency: "5"'),
    ['p.yaml:7:14: concurrency: wanted a number, saw "5": leave out the quotes'],
  ],
  [
    'certificates by name, as in other programs',
    `${head}certificates:\n  www:\n    identifiers: [a.test]\n`,
    ['p.yaml:6:3: certificates: wanted a list, saw keys and values: begin each entry with "- "'],
  ],
  [
    'no space behind a colon',
    'bucket:file:///b\nacme: x\n',
    ['p.yaml:1:1: not YAML: a key without a colon and a space behind it: wanted "key: value"'],
  ],
  [
    'a whole file without a space behind its colon',
    'bucket:file:///b\n',
    [
      'p.yaml:1:1: (whole file): wanted an object: "key: value" lines below it, saw "bucket:file:///b": a space is missing behind the colon',
    ],
  ],
  [
    'a value that begins with @',
    acme('contact: [@foo]'),
    ['p.yaml:5:13: not YAML: a value must not begin with @ or `: put it in quotes'],
  ],
  [
    'a typo deep in a union',
    acme('limits: { newOrdrs: {count: 1, hours: 1} }'),
    ['p.yaml:5:13: acme.limits.newOrdrs: unknown key; did you mean newOrders?'],
  ],
  [
    'a number for limits',
    acme('limits: 5'),
    ['p.yaml:5:11: acme.limits: wanted false, or an object: "key: value" lines below it, saw the number 5'],
  ],
  [
    'a number for probe',
    top('probe: 5'),
    ['p.yaml:7:8: probe: wanted true or false, or an object: "key: value" lines below it, saw the number 5'],
  ],
  ['a typo in probe', top('probe: {ports: 5}'), ['p.yaml:7:9: probe.ports: unknown key; did you mean port?']],
  [
    'a merge key of YAML 1.1',
    cert('<<: {a: b}'),
    [
      'p.yaml:6:5: certificates[0].identifiers: is missing: wanted a list. DNS names; wildcards and IP addresses where challenge and CA allow them.',
      'p.yaml:6:5: certificates[0].<<: unknown key; YAML 1.2 has no merge key: write out what it stands for',
    ],
  ],
  [
    'a challenge without its hyphen',
    top('challenge: http01'),
    [
      'p.yaml:7:12: challenge: wanted http-01, http-01-stateless, dns-01, dns-persist-01, or a list of them in order of preference, each once; saw "http01"',
    ],
  ],
  [
    'a fleet in capitals',
    top('hosts: {expected: {Default: 3}}'),
    [
      'p.yaml:7:20: hosts.expected.Default: must match [a-z0-9_][a-z0-9._-]* (it becomes a file name and a key)',
    ],
  ],
  [
    "the agent's file",
    'bucket: file:///b\nfleet: default\nhaproxy: {}\n',
    [
      'p.yaml: these are settings of the agent (agent.yaml); pemfleet reads pemfleet.yaml, by default /etc/pemfleet/pemfleet.yaml',
    ],
  ],
  [
    'an object of Kubernetes',
    'apiVersion: v1\nkind: Certificate\n',
    ['p.yaml: this is an object of Kubernetes; wanted pemfleet.yaml: is it the right file?'],
  ],
  [
    'a package.json',
    '{"name": "x", "version": "1"}',
    [
      'p.yaml:1:1: bucket: is missing: wanted a string. Bucket URL: s3://bucket/prefix or file:///absolute/path.',
      'p.yaml:1:1: acme: is missing: wanted an object: "key: value" lines below it. The CA.',
      'p.yaml:1:1: certificates: is missing: wanted a list. What to issue.',
      'p.yaml:1:2: name: unknown key; did you mean identifiers? It holds all names of a certificate: identifiers: [www.example.com]',
      'p.yaml:1:15: version: unknown key; there are bucket, acme, fallback, challenge, dns, wakeMinutes, concurrency, ordersPer3Hours, hosts, keyRetention, contract, probe, metrics, notify, statusPage, certificates',
    ],
  ],
  [
    'a list',
    '- a\n',
    ['p.yaml:1:1: (whole file): wanted an object: "key: value" lines below it, saw a list of 1'],
  ],
  [
    'a text',
    'hello',
    ['p.yaml:1:1: (whole file): wanted an object: "key: value" lines below it, saw "hello"'],
  ],
  [
    'haproxy.cfg',
    'global\n    log stdout\nfrontend x\n    bind :80\n',
    ['p.yaml: it is a configuration of HAProxy; wanted pemfleet.yaml in YAML: is it the right file?'],
  ],
  [
    'a PEM',
    '-----BEGIN CERTIFICATE-----\nabc\n',
    ['p.yaml: it holds a PEM (certificate or key); wanted pemfleet.yaml in YAML: is it the right file?'],
  ],
  [
    "certbot's cli.ini",
    '[certs]\nemail = x\n',
    ['p.yaml: it is an INI file; wanted pemfleet.yaml in YAML: is it the right file?'],
  ],
  [
    'no colon',
    'bucket file:///b\nacme:\n  x: y\n',
    ['p.yaml:1:1: not YAML: a key without a colon and a space behind it: wanted "key: value"'],
  ],
  [
    'a line too far to the right',
    'bucket: a\n  acme: b\n',
    [
      'p.yaml:1:9: a second "key: " in one line, or a line that is indented too far; put each key into a line of its own, and a text with ": " into quotes',
    ],
  ],
  [
    'quotes that are never closed',
    'bucket: "file:///b\nacme: {}\n',
    ['p.yaml:1:9: not YAML: a text in quotes that has no end: close the quotes'],
  ],
  [
    'CRLF at line ends',
    top('concurency: 3').replaceAll('\n', '\r\n'),
    ['p.yaml:7:1: concurency: unknown key; did you mean concurrency?'],
  ],
  [
    'curly quotes',
    acme('contact: [“mailto:a@b.test”]'),
    [
      'p.yaml:5:13: acme.contact[0]: wanted mailto:name@example.com, one address in each; saw "“mailto:a@b.test”"',
    ],
  ],
  [
    'one space too many',
    'bucket: file:///b\n acme:\n  x: y\n',
    [
      'p.yaml:1:9: a second "key: " in one line, or a line that is indented too far; put each key into a line of its own, and a text with ": " into quotes',
    ],
  ],
  [
    'quotes that are never closed, before others',
    `${acme('').replace('letsencrypt', '"letsencrypt')}  - identifiers: ["b.test"]\n`,
    ['p.yaml:3:17: not YAML: a text in quotes that has no end: close the quotes'],
  ],
  [
    'single quotes that are never closed, before others',
    cert("identifiers: ['a.test, b.test]\n  - identifiers: ['c.test']"),
    ['p.yaml:6:19: not YAML: a text in quotes that has no end: close the quotes'],
  ],
  [
    'a bracket that is never closed',
    `${cert('identifiers: [a.test')}concurrency: 3\n`,
    ['p.yaml:6:18: not YAML: a list in brackets that has no end: close it with ]'],
  ],
  [
    'a brace that is never closed',
    top('probe: {port: 5'),
    ['p.yaml:7:8: not YAML: keys in braces that have no end: close them with }'],
  ],
  [
    'a backslash in double quotes',
    acme('contact: ["\\q"]'),
    ['p.yaml:5:14: not YAML: a backslash before a letter that needs none: put the text in single quotes'],
  ],
  [
    'a bomb of aliases',
    top(
      `a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [${'*a, '.repeat(9)}*a]\nc: &c [${'*b, '.repeat(9)}*b]\nd: [${'*c, '.repeat(9)}*c]`,
    ),
    ['p.yaml:8:8: *a: aliases that multiply each other; write out what they stand for'],
  ],
  [
    'a byte order mark before a fault',
    `\ufeff${top('concurency: 3')}`,
    ['p.yaml:7:1: concurency: unknown key; did you mean concurrency?'],
  ],
  [
    'a tab before the dash of a list',
    cert('identifiers:\n\t- a.test'),
    ['p.yaml:7:1: not YAML: a tab; YAML takes spaces only for the indentation: put two spaces in its place'],
  ],
  [
    'a key twice, in braces',
    top('probe: {port: 5, port: 6}'),
    ['p.yaml:7:18: port: stands twice at this place; keep one, and put what both say into it'],
  ],
  [
    'a number with a point in place of a name',
    cert('identifiers: [a.test]\n    name: 1.10'),
    ['p.yaml:7:11: certificates[0].name: wanted a string, saw the number 1.10: put it in quotes, "1.10"'],
  ],
  [
    'a number in place of a fleet',
    cert('identifiers: [a.test]\n    fleets: [1]'),
    ['p.yaml:7:14: certificates[0].fleets[0]: wanted a string, saw the number 1: put it in quotes, "1"'],
  ],
  [
    'true in place of a name',
    cert('identifiers: [a.test]\n    name: true'),
    ['p.yaml:7:11: certificates[0].name: wanted a string, saw the boolean true: put it in quotes, "true"'],
  ],
  [
    'a list of no certificates',
    `${head}certificates: []\n`,
    ['p.yaml:5:15: certificates: wanted at least one entry, saw an empty list'],
  ],
  [
    'a list of no names',
    cert('identifiers: []'),
    ['p.yaml:6:18: certificates[0].identifiers: wanted at least one entry, saw an empty list'],
  ],
  [
    'a list of no fleets',
    cert('identifiers: [a.test]\n    fleets: []'),
    ['p.yaml:7:13: certificates[0].fleets: wanted at least one entry, saw an empty list'],
  ],
];

for (const [says, text, faults] of ROWS) {
  test(`first week: ${says}`, () => {
    const { code, message } = thrownBy(ConfigError, () => parseConfig('p.yaml', text));

    const lines = message.split('\n').map((line) => line.trim());
    assert.equal(code, 'ERR_CONFIG');
    assert.deepEqual(lines[0] === 'p.yaml was refused:' ? lines.slice(1) : lines, faults);
  });
}

test('first week: the same fault in each of thousands of certificates: the first fifty of them, and how many more', () => {
  const wrong = Array.from({ length: 5000 }, (_, index) => `  - domains: [a${index}.test]\n`);

  const { message } = thrownBy(ConfigError, () =>
    parseConfig('p.yaml', `${head}certificates:\n${wrong.join('')}`),
  );

  const lines = message.split('\n');
  assert.equal(lines.length, 52);
  assert.match(lines[1] ?? '', /^ {2}p\.yaml:6:5: certificates\[0\]\.domains: unknown key/);
  assert.match(lines.at(-1) ?? '', /^ {2}and \d{4} more$/);
});

test('first week: brackets in brackets without end: the place up to which it was read', () => {
  const text = top(`x: ${'['.repeat(20_000)}${']'.repeat(20_000)}`);

  const { message } = thrownBy(ConfigError, () => parseConfig('p.yaml', text));

  assert.match(message, /^p\.yaml:7:\d+: nested too deeply: is it the right file\?$/);
});

test('first week: names are taken as people write them: capitals, Unicode, and a byte order mark or CRLF in the file', () => {
  const { certificates } = parseConfig(
    'p.yaml',
    cert('identifiers: [WWW.Example.COM, bücher.example]').replaceAll('\n', '\r\n'),
  );

  assert.deepEqual(certificates[0]?.identifiers, ['www.example.com', 'xn--bcher-kva.example']);
});

test('first week: a private CA may certify a name with an underscore', () => {
  const text = cert('identifiers: [_sip.my_host.internal]').replace(
    'letsencrypt',
    'https://ca.internal/directory\n  caFile: ca.pem',
  );

  assert.deepEqual(parseConfig('p.yaml', text).certificates[0]?.identifiers, ['_sip.my_host.internal']);
});

test('first week: a bucket that --bucket or PEMFLEET_BUCKET names is refused under that name, and stands in for a missing one', () => {
  const text = cert('identifiers: [a.test]').replace('bucket: file:///b\n', '');
  const given = { url: 's3://my-bucket', origin: '--bucket' };

  const { message } = thrownBy(ConfigError, () => parseConfig('p.yaml', text, { ...given, url: '/srv' }));

  assert.equal(parseConfig('p.yaml', text, given).bucket, 's3://my-bucket');
  assert.equal(
    message,
    'p.yaml was refused:\n  --bucket: wanted a URL with an absolute path: file:///srv; saw "/srv"',
  );
});
