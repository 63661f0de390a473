/** The public API of the package: what `import … from 'pemfleet'` offers a CDK app. */
export type { AgentRights } from './access/agent-access.ts';
export type { AuditorRights } from './access/people-access.ts';
export type { AgentOptions } from './fleet/user-data.ts';
export type { Alarms } from './monitoring/alarms.ts';
export { Pemfleet } from './pemfleet.ts';
export { PemfleetConfig, pemfleetConfigOf, readPemfleetConfig } from './settings/configuration.ts';
export type { AcmeDocument, CertificateDocument, PemfleetDocument } from './settings/document.ts';
export type { PemfleetProps } from './settings/props.ts';
export { PemfleetStack, type PemfleetStackProps } from './stack.ts';
export { ZoneAccess, type ZoneAccessProps } from './zone-access.ts';
