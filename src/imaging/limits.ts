/** How large an image may be before it is refused unread. One place, so that each guard and its test name the same number. */

/** 64 Mi pixels a frame: eight times the largest mammogram. */
export const MAX_PIXELS = 64 * 1024 * 1024
export const MAX_FRAMES = 512
/** Of all frames together, where all are asked for. */
export const MAX_DECODED_BYTES = 512 * 1024 * 1024
