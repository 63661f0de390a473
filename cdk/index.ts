/** What `import … from 'pemfleet'` gives to a CDK app. */
export type { AgentRights } from './parts/agent-access.ts';
export type { Alarms } from './parts/alarms.ts';
export { type PemfleetConfig, pemfleetConfigOf, readPemfleetConfig } from './parts/configuration.ts';
export type { AgentOptions } from './parts/user-data.ts';
export { Pemfleet } from './pemfleet.ts';
export type { PemfleetProps } from './props.ts';
export { PemfleetStack, type PemfleetStackProps } from './stack.ts';
export { ZoneAccess, type ZoneAccessProps } from './zone-access.ts';
