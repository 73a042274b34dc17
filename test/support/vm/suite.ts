/** Of Debian, of which the test VM is: programs that run in it are of no other. */
export const vmSuite = 'bookworm';
