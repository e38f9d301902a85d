/** Sockets, sessions and running turns that a recording keeps a number or a time of, each. */
export const numberedMax = 100_000
