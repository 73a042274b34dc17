/** How much of a blob is read at a time; node's own 64 KiB are many calls for a layer of some hundred MB. */
export const readSize = 512 * 1024;
