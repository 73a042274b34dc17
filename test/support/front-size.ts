/** What the front may have at most, by whatever compiler: all of it is in memory while a mount is made. */
export const mostBytesOfFront = 2_000_000;
