/** Heights the virtual rows are laid out by, in CSS pixels: the tokens --row and --row-phone. */

export const ROW_PX = 28;
export const ROW_PHONE_PX = 56;
