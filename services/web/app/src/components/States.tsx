/** What a page shows when there is nothing to show: loading, empty, wrong. */

import { CircleAlert, RefreshCw } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { Problem } from "../api/client";
import { problemText } from "../text/problems";
import { Button } from "./Button";
import styles from "./States.module.css";

const SKELETON_AFTER_MS = 150;

type Action = { label: string; href: string } | { label: string; onClick: () => void };

/** Rows of the final height, after a moment: a fast answer never flickers. */
export function SkeletonRows({ rows, label }: { rows: number; label: string }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), SKELETON_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={styles.skeleton} role="status">
      <span className="visually-hidden">{label}</span>
      {shown &&
        Array.from({ length: rows }, (_, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows without identity.
          <span key={index} className={styles.bone} aria-hidden="true" />
        ))}
    </div>
  );
}

export function Empty({ sentence, children }: { sentence: string; children?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <p>{sentence}</p>
      {children}
    </div>
  );
}

/** A line above data that stays: what is wrong, where to look it up, try again. */
export function ErrorLine({ problem, onRetry }: { problem: unknown; onRetry: () => void }) {
  const { sentence, reference } = wordsOf(problem);
  return (
    <div className={styles.error} role="alert">
      <CircleAlert aria-hidden="true" />
      <p>
        {sentence} {reference && <span className={styles.reference}>Reference {reference}</span>}
      </p>
      <Button look="bare" onClick={onRetry}>
        <RefreshCw aria-hidden="true" />
        Retry
      </Button>
    </div>
  );
}

/** A whole page in place of one that cannot be shown. */
export function PageProblem(props: { title?: string; problem?: unknown; action: Action }) {
  const { sentence, reference } = wordsOf(props.problem);
  const { action } = props;
  return (
    <main className={styles.page}>
      <h1>{props.title ?? "This page cannot be shown."}</h1>
      {props.problem !== undefined && <p>{sentence}</p>}
      {reference && <p className={styles.reference}>Reference {reference}</p>}
      {"href" in action ? (
        <a href={action.href}>{action.label}</a>
      ) : (
        <Button look="primary" onClick={action.onClick}>
          {action.label}
        </Button>
      )}
    </main>
  );
}

function wordsOf(problem: unknown): { sentence: string; reference: string | null } {
  if (problem instanceof Problem) {
    const sentence = problemText(problem.code, problem.message);
    return { sentence, reference: problem.correlationId };
  }
  return { sentence: "Something went wrong here. Reload the page.", reference: null };
}
