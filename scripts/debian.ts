/** Debian packages for the build, the tests and the demo: install, fetch, unpack. */
export { nativeArchitecture } from './debian/apt.ts';
export { fetchPackages, type PackagesRequest } from './debian/closure.ts';
export type { DebFile } from './debian/deb-file.ts';
export { ensureInstalled } from './debian/install.ts';
export { recordOfInstalled, stillInstalled } from './debian/installed.ts';
export { fetchPinned, newestPins, type Pin, type PinnedRequest, refuseOlder } from './debian/pins.ts';
export { fetchPoolFile } from './debian/pool-file.ts';
export { unpackInto } from './debian/unpack.ts';
export { unpackedPackage } from './debian/unpacked-package.ts';
export { findUpdates, type Update } from './debian/updates.ts';
