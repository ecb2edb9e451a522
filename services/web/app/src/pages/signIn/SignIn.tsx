/** The sign-in page; on a demo machine with the people one may be. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { meQuery, signInOptionsQuery } from "../../api/queries";
import type { DemoSignIn, Person } from "../../api/types";
import { tellOtherTabs } from "../../live/session";
import styles from "./SignIn.module.css";
import { SignInForm } from "./SignInForm";

export function SignIn() {
  const client = useQueryClient();
  const router = useRouter();
  const { next } = useSearch({ from: "/sign-in" });
  const options = useQuery(signInOptionsQuery).data;
  const [chosen, setChosen] = useState<DemoSignIn | null>(null);

  const enter = async (person: Person) => {
    client.clear();
    client.setQueryData(meQuery.queryKey, person);
    tellOtherTabs({ kind: "signed-in", userId: person.user_id });
    router.history.push(router.basepath + (next ?? "/orders").replace(/^\/app(?=\/)/, ""));
  };

  return (
    <main className={styles.page}>
      <title>Sign in · Lockstep</title>
      <div className={styles.card}>
        <p className={styles.brand}>Lockstep</p>
        <h1>Sign in</h1>
        <SignInForm
          key={chosen?.email}
          ready={chosen !== null}
          email={chosen?.email ?? ""}
          password={chosen?.password ?? ""}
          onSignedIn={(person) => void enter(person)}
        />
      </div>
      {options?.environment === "local" && options.demo_sign_ins.length > 0 && (
        <Demo people={options.demo_sign_ins} onChoose={setChosen} />
      )}
    </main>
  );
}

function Demo(props: { people: DemoSignIn[]; onChoose: (person: DemoSignIn) => void }) {
  return (
    <section className={styles.demo} aria-labelledby="demo-title">
      <h2 id="demo-title">Demo sign-ins on this machine</h2>
      {byRole(props.people).map(([role, people]) => (
        <div key={role} className={styles.role}>
          <h3>{role.replaceAll("_", " ")}</h3>
          <ul className={styles.people}>
            {people.map((person) => (
              <li key={person.email}>
                <button
                  type="button"
                  className={styles.person}
                  onClick={() => props.onChoose(person)}
                >
                  <span className={styles.name}>{person.display_name}</span>
                  <span className={styles.email}>{person.email}</span>
                </button>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}

const ROLES = ["master", "follower", "viewer_operator", "operator", "admin"];

function byRole(people: DemoSignIn[]): [string, DemoSignIn[]][] {
  const groups = ROLES.map((role): [string, DemoSignIn[]] => [
    role,
    people.filter((person) => person.roles[0] === role),
  ]);
  return groups.filter(([, group]) => group.length > 0);
}
