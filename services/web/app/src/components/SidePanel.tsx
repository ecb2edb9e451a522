/** A panel at the right edge, the whole screen on phones; the page behind stays in use. */

import { Dialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import styles from "./SidePanel.module.css";

interface Props {
  title: ReactNode;
  children: ReactNode;
  onClose: () => void;
  /** What the heading says to a screen reader, where the title is more than text. */
  label?: string;
}

export function SidePanel({ title, label, children, onClose }: Props) {
  return (
    <Dialog.Root
      open
      modal={false}
      onOpenChange={(open) => !open && onClose()}
      disablePointerDismissal
    >
      <Dialog.Portal>
        <Dialog.Popup className={styles.panel}>
          <header className={styles.header}>
            <Dialog.Title className={styles.title} aria-label={label}>
              {title}
            </Dialog.Title>
            <Dialog.Close className={styles.close} aria-label="Close">
              <X aria-hidden="true" />
            </Dialog.Close>
          </header>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys. */}
          <section className={styles.body} tabIndex={0} aria-label="Details">
            {children}
          </section>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
