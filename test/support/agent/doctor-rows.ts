// Faults that people have, planted one by one; each has its finding, and a fix that names the place.
import { directoryRows } from './doctor-directory-rows.ts';
import { bucketRows, hostRows } from './doctor-host-rows.ts';
import { handshakeRows, socketRows } from './doctor-socket-rows.ts';

export const doctorRows = [...hostRows, ...bucketRows, ...socketRows, ...directoryRows, ...handshakeRows];
