/** By which HAProxy shows the responder that a request comes through it. */

/** In lower case, as Lambda gives the names of headers. */
export const SECRET_HEADER = 'x-pemfleet-secret';
/** Of HAProxy's environment: what the printed lines name in place of the value. */
export const SECRET_VARIABLE = 'PEMFLEET_RESPONDER_SECRET';
