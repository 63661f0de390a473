import { fleetName, hostName } from '#contract/layout.ts';

export const fleet = fleetName.parse('edge');
export const host = hostName.parse('lb1');
