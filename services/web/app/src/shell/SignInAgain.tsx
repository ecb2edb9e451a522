/** The sign-in ended while a page is open: ask for it over the page, which stays as it is. */

import { AlertDialog } from "@base-ui/react/alert-dialog";
import { useQueryClient } from "@tanstack/react-query";
import { meQuery } from "../api/queries";
import type { Person } from "../api/types";
import { SignInForm } from "../pages/signIn/SignInForm";
import { useFeed } from "./feedContext";
import styles from "./Panels.module.css";

export function SignInAgain({ me }: { me: Person }) {
  const feed = useFeed();
  const client = useQueryClient();
  const again = (person: Person) => {
    // Someone else starts with an empty page.
    if (person.user_id !== me.user_id) location.assign("/app");
    client.setQueryData(meQuery.queryKey, person);
    feed.start();
  };
  return (
    <AlertDialog.Root open>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={styles.backdrop} />
        <AlertDialog.Popup className={styles.dialog}>
          <AlertDialog.Title>Sign in again</AlertDialog.Title>
          <AlertDialog.Description className={styles.figures}>
            Your sign-in has ended. Orders keep working; this page waits for you.
          </AlertDialog.Description>
          <SignInForm email={me.email} onSignedIn={again} />
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
