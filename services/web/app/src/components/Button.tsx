/** Buttons: filled for the one primary action, outlined for others, bare for icons. */

import type { ButtonHTMLAttributes } from "react";
import styles from "./Button.module.css";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: "primary" | "outline" | "bare";
}

export function Button({ look = "outline", className, type = "button", ...rest }: Props) {
  return (
    <button type={type} className={[styles.button, styles[look], className].join(" ")} {...rest} />
  );
}
