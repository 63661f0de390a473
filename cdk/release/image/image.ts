/**
 * The issuer as a container image, in one tar of OCI's image layout (https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md),
 * made without a container engine: `skopeo copy oci-archive:FILE …`, `podman load`.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { link, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { tarArguments } from '../packages/tarball.ts';
import type { Arch } from '../runtime.ts';
import { IMAGE_USER, placeBase } from './base.ts';

const run = promisify(execFile);

const TYPE = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

interface Layer {
  descriptor: Descriptor;
  /** Of the tar before gzip. */
  diffId: string;
  comment: string;
}

interface LayerOptions {
  seconds: number;
  owner: number;
  comment: string;
  /** A path in the folder; all of it, if absent. */
  content?: string;
}

export interface ImageInputs {
  version: string;
  /** The executable for each architecture, with the licences that go with it. */
  programs: ReadonlyArray<{ arch: Arch; executable: string; notice: string; runtimeLicense: string }>;
  work: string;
  out: string;
  /** Folder of Debian's packages that an earlier build has fetched. */
  cache: string;
  mirror: () => string;
  seconds: number;
}

/** @returns the name of the file that it leaves in `out` */
export async function makeImage(inputs: ImageInputs): Promise<string> {
  const { version, programs, work, out, seconds } = inputs;
  const layout = join(work, 'image');
  await mkdir(join(layout, 'blobs/sha256'), { recursive: true });
  const manifests = [];
  for (const program of programs) manifests.push(await putImage(layout, program, inputs));
  const index = await putJson(layout, TYPE.index, {
    schemaVersion: 2,
    mediaType: TYPE.index,
    manifests: manifests.map((descriptor, at) => ({
      ...descriptor,
      platform: platformOf(programs[at]?.arch),
    })),
  });
  const annotations = { 'org.opencontainers.image.ref.name': version };
  const top = { schemaVersion: 2, mediaType: TYPE.index, manifests: [{ ...index, annotations }] };
  await writeFile(join(layout, 'index.json'), JSON.stringify(top));
  await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const file = `pemfleet-${version}-oci.tar`;
  await run('tar', tarArguments(join(out, file), layout, seconds, ['oci-layout', 'index.json', 'blobs']));
  return file;
}

async function putImage(
  layout: string,
  { arch, executable, notice, runtimeLicense }: ImageInputs['programs'][number],
  { version, work, cache, mirror, seconds }: ImageInputs,
): Promise<Descriptor> {
  const folder = (layer: string) => join(work, `image-${arch}-${layer}`);
  await placeBase(folder('base'), arch, { cache, mirror });
  const doc = join(folder('program'), 'usr/share/doc/pemfleet');
  await mkdir(doc, { recursive: true });
  await mkdir(join(folder('program'), 'usr/bin'));
  await link(executable, join(folder('program'), 'usr/bin/pemfleet'));
  await writeFile(join(doc, 'NOTICE'), notice);
  await writeFile(join(doc, 'LICENSE.node'), runtimeLicense);
  await mkdir(join(folder('data'), 'var/lib/pemfleet'), { recursive: true });
  const layers = [
    await putLayer(layout, folder('base'), {
      seconds,
      owner: 0,
      comment: 'Debian 12: glibc, libstdc++, sh, cat, flock',
    }),
    await putLayer(layout, folder('program'), { seconds, owner: 0, comment: `pemfleet ${version}` }),
    await putLayer(layout, folder('data'), {
      ...{ seconds, owner: IMAGE_USER, comment: 'directory of a bucket, for a volume' },
      // Without the folders above it, which are root's.
      content: 'var/lib/pemfleet',
    }),
  ];
  const created = new Date(seconds * 1000).toISOString();
  const config = await putJson(layout, TYPE.config, {
    created,
    ...platformOf(arch),
    config: {
      User: `${IMAGE_USER}:${IMAGE_USER}`,
      Env: ['PATH=/usr/bin:/bin'],
      Entrypoint: ['/usr/bin/pemfleet'],
      Cmd: ['help'],
      WorkingDir: '/',
      Labels: {
        'org.opencontainers.image.title': 'pemfleet',
        'org.opencontainers.image.version': version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ comment }) => ({ created, created_by: comment })),
  });
  const descriptors = layers.map(({ descriptor }) => descriptor);
  return putJson(layout, TYPE.manifest, {
    schemaVersion: 2,
    mediaType: TYPE.manifest,
    config,
    layers: descriptors,
  });
}

/** https://go.dev/doc/install/source#environment: OCI's names of architectures are Go's. */
const platformOf = (arch: Arch | undefined) => ({
  os: 'linux',
  architecture: arch === 'arm64' ? 'arm64' : 'amd64',
});

const digestOf = (body: Buffer) => createHash('sha256').update(body).digest('hex');

async function putLayer(
  layout: string,
  folder: string,
  { seconds, owner, comment, content = '.' }: LayerOptions,
): Promise<Layer> {
  const archive = `${folder}.tar.gz`;
  const gzip = '--use-compress-program=gzip -n';
  const options = tarArguments(archive, folder, seconds, [content]).map((option) =>
    option.replace(/^(--owner|--group)=0$/, `$1=${owner}`),
  );
  await run('tar', [gzip, ...options]);
  const body = await readFile(archive);
  const descriptor = await putBlob(layout, TYPE.layer, body);
  return { descriptor, diffId: `sha256:${digestOf(gunzipSync(body))}`, comment };
}

const putJson = (layout: string, mediaType: string, document: object) =>
  putBlob(layout, mediaType, Buffer.from(JSON.stringify(document)));

async function putBlob(layout: string, mediaType: string, body: Buffer): Promise<Descriptor> {
  const digest = digestOf(body);
  await writeFile(join(layout, 'blobs/sha256', digest), body);
  return { mediaType, digest: `sha256:${digest}`, size: body.length };
}
