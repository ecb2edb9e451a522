/** E-mail and password, checked per field on blur; the server's answer stands under the form. */

import { valibotResolver } from "@hookform/resolvers/valibot";
import { CircleAlert, Eye, EyeOff } from "lucide-react";
import { type InputHTMLAttributes, type ReactNode, useId, useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";
import { Problem } from "../../api/client";
import { signIn } from "../../api/queries";
import type { Person } from "../../api/types";
import { Button } from "../../components/Button";
import { problemText } from "../../text/problems";
import styles from "./SignIn.module.css";

const schema = v.object({
  email: v.pipe(v.string(), v.trim(), v.email("Write an e-mail address, like name@example.com.")),
  password: v.pipe(v.string(), v.nonEmpty("Write your password.")),
});

interface Props {
  email: string;
  password?: string;
  /** Both fields are filled: one press of Enter is left. */
  ready?: boolean;
  onSignedIn: (person: Person) => void;
}

export function SignInForm({ email, password = "", ready = false, onSignedIn }: Props) {
  const [shown, setShown] = useState(false);
  const { register, handleSubmit, setError, formState } = useForm({
    resolver: valibotResolver(schema),
    mode: "onTouched",
    defaultValues: { email, password },
  });
  const { errors, isSubmitting } = formState;

  const submit = handleSubmit(async (values) => {
    try {
      onSignedIn(await signIn(values.email, values.password));
    } catch (problem) {
      setError("root", { message: wordsOf(problem) });
    }
  });

  return (
    <form className={styles.form} onSubmit={submit} noValidate>
      <Field label="E-mail" error={errors.email?.message}>
        {(field) => (
          <input {...field} type="email" autoComplete="username" {...register("email")} />
        )}
      </Field>
      <Field label="Password" error={errors.password?.message}>
        {(field) => (
          <span className={styles.secret}>
            <input
              {...field}
              type={shown ? "text" : "password"}
              autoComplete="current-password"
              {...register("password")}
            />
            <Button
              look="bare"
              aria-label={shown ? "Hide password" : "Show password"}
              onClick={() => setShown(!shown)}
            >
              {shown ? <EyeOff aria-hidden="true" /> : <Eye aria-hidden="true" />}
            </Button>
          </span>
        )}
      </Field>
      {errors.root && (
        <p className={styles.problem} role="alert">
          <CircleAlert aria-hidden="true" />
          {errors.root.message}
        </p>
      )}
      <Button type="submit" look="primary" disabled={isSubmitting} autoFocus={ready}>
        {isSubmitting ? "Signing in…" : "Sign in"}
      </Button>
    </form>
  );
}

type Input = Pick<
  InputHTMLAttributes<HTMLInputElement>,
  "id" | "aria-invalid" | "aria-describedby"
>;

interface FieldProps {
  label: string;
  error: string | undefined;
  children: (field: Input & { className: string | undefined }) => ReactNode;
}

function Field({ label, error, children }: FieldProps) {
  const id = useId();
  const errorId = `${id}-error`;
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        className: styles.input,
        "aria-invalid": error ? true : undefined,
        "aria-describedby": error ? errorId : undefined,
      })}
      {error && (
        <p id={errorId} className={styles.fieldError}>
          {error}
        </p>
      )}
    </div>
  );
}

function wordsOf(problem: unknown): string {
  if (problem instanceof Problem) return problemText(problem.code, problem.message);
  return "Something went wrong here. Try again.";
}
