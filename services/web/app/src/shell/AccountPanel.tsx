/** Who is signed in, the theme, and the way out. */

import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { LogOut } from "lucide-react";
import { useState } from "react";
import { signOut } from "../api/queries";
import type { Person } from "../api/types";
import { Button } from "../components/Button";
import { SidePanel } from "../components/SidePanel";
import { ErrorLine } from "../components/States";
import { tellOtherTabs } from "../live/session";
import { ThemeSwitch } from "./Header";
import styles from "./Panels.module.css";

export function AccountPanel({ me, onClose }: { me: Person; onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [leaving, setLeaving] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);

  const leave = async () => {
    setLeaving(true);
    setProblem(null);
    try {
      await signOut();
    } catch (problem) {
      setProblem(problem);
      setLeaving(false);
      return;
    }
    tellOtherTabs({ kind: "signed-out" });
    await navigate({ to: "/sign-in", search: {} });
    client.clear();
  };

  return (
    <SidePanel title="Account" onClose={onClose}>
      <div className={styles.account}>
        <div>
          <p className={styles.name}>{me.display_name}</p>
          <p className={styles.figures}>{me.email}</p>
          <p className={styles.figures}>{me.roles.join(", ").replaceAll("_", " ")}</p>
        </div>
        <ThemeSwitch withWord />
        {problem !== null && <ErrorLine problem={problem} onRetry={() => void leave()} />}
        <Button onClick={() => void leave()} disabled={leaving}>
          <LogOut aria-hidden="true" />
          {leaving ? "Signing out…" : "Sign out"}
        </Button>
      </div>
    </SidePanel>
  );
}
