// Users, roles, and sessions of roles: who holds which credentials, and what their policies say.
import { randomBytes } from 'node:crypto';
import type { Caller } from './wire.ts';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiresAt?: Date;
}

export interface RoleOptions {
  name: string;
  /** IAM policy documents */
  policies: readonly object[] | 'everything';
  /** who may assume it (sts:AssumeRole): a policy document with `Principal`; default: nobody */
  trust?: object;
  tags?: Record<string, string>;
  /** permissions boundary */
  boundary?: object | undefined;
  /** default: the stand-in's own */
  accountId?: string;
}

export interface Role extends Required<Omit<RoleOptions, 'trust' | 'boundary'>> {
  arn: string;
  /** the part of `aws:userid` before the session's name */
  id: string;
  trust: object | undefined;
  boundary: object | undefined;
}

/** A user with policies, or a session of a role. */
export type PrincipalOptions =
  | Omit<RoleOptions, 'trust' | 'boundary'>
  | {
      /** the session's name */
      name: string;
      role: Role;
      /** of the credentials; default: never */
      expiresAt?: Date;
    };

export interface Principal extends Caller {
  name: string;
  credentials: Credentials;
  /** the environment of a program that acts as this principal */
  env: Record<string, string>;
}

const randomId = (prefix: string) => `${prefix}${randomBytes(8).toString('hex').toUpperCase()}`;

export type Identity = ReturnType<typeof createIdentity>;

/** @param ownAccountId of those who name no other */
export function createIdentity(ownAccountId: string, environment: () => Record<string, string>) {
  const roles = new Map<string, Role>();
  const holders = new Map<string, Principal>();
  return {
    role(options: RoleOptions): Role {
      const { name, accountId = ownAccountId, tags = {}, policies, trust, boundary } = options;
      const arn = `arn:aws:iam::${accountId}:role/${name}`;
      const role = { ...{ name, accountId, tags, policies, trust, boundary, arn }, id: randomId('AROA') };
      roles.set(arn, role);
      return role;
    },
    principal(options: PrincipalOptions): Principal {
      const { name } = options;
      const caller = 'role' in options ? sessionOf(options) : userOf({ accountId: ownAccountId, ...options });
      const credentials = newCredentials(options);
      const principal = {
        ...caller,
        name,
        credentials,
        env: { ...environment(), ...variablesOf(credentials) },
      };
      holders.set(credentials.accessKeyId, principal);
      return principal;
    },
    roleByArn: (arn: string) => roles.get(arn),
    holderOf: (accessKeyId: string) => holders.get(accessKeyId),
    holderByArn: (arn: string) => [...holders.values()].find((holder) => holder.arn === arn),
  };
}

function sessionOf({ name, role }: { name: string; role: Role }): Caller {
  const { accountId, tags, policies, boundary, id } = role;
  const arn = `arn:aws:sts::${accountId}:assumed-role/${role.name}/${name}`;
  return { arn, accountId, tags, policies, boundary, userId: `${id}:${name}` };
}

function userOf(options: RoleOptions & { accountId: string }): Caller {
  const { name, accountId, tags = {}, policies } = options;
  const arn = `arn:aws:iam::${accountId}:user/${name}`;
  return { arn, accountId, tags, policies, userId: randomId('AIDA') };
}

function newCredentials(options: PrincipalOptions): Credentials {
  const secretAccessKey = randomBytes(30).toString('base64');
  if (!('role' in options)) return { accessKeyId: randomId('AKIA'), secretAccessKey };
  const sessionToken = randomBytes(48).toString('base64');
  const expiry = options.expiresAt ? { expiresAt: options.expiresAt } : {};
  return { accessKeyId: randomId('ASIA'), secretAccessKey, sessionToken, ...expiry };
}

const variablesOf = ({ accessKeyId, secretAccessKey, sessionToken }: Credentials) => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  ...(sessionToken ? { AWS_SESSION_TOKEN: sessionToken } : {}),
});
