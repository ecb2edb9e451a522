/** The sign-in form, by keyboard, right and wrong. */

import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import type { Person } from "../../api/types";
import { SignInForm } from "./SignInForm";

const person: Person = {
  user_id: "u1",
  email: "a@b.example",
  display_name: "A",
  roles: ["follower"],
};

function answering(status: number, body: unknown) {
  const asked: Request[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    asked.push(request.clone());
    return Response.json(body, { status });
  });
  return asked;
}

async function fillIn(): Promise<void> {
  const user = userEvent.setup();
  await user.click(screen.getByLabelText("E-mail"));
  await user.keyboard("a@b.example{Tab}right-password{Enter}");
}

describe("signing in", () => {
  it("hands the person on", async () => {
    const asked = answering(200, person);
    const signedIn = vi.fn();
    render(<SignInForm email="" onSignedIn={signedIn} />);

    await fillIn();

    expect(signedIn).toHaveBeenCalledWith(person);
    expect(await asked[0]?.json()).toEqual({ email: "a@b.example", password: "right-password" });
  });

  it("says what the server said, in the form", async () => {
    answering(401, { code: "WRONG_CREDENTIALS", message: "E-mail or password is wrong." });
    const signedIn = vi.fn();
    render(<SignInForm email="" onSignedIn={signedIn} />);

    await fillIn();

    expect((await screen.findByRole("alert")).textContent).toBe("E-mail or password is wrong.");
    expect(signedIn).not.toHaveBeenCalled();
  });

  it("says at the field what is missing", async () => {
    const asked = answering(200, person);
    render(<SignInForm email="" onSignedIn={vi.fn()} />);
    const user = userEvent.setup();

    await user.click(screen.getByRole("button", { name: "Sign in" }));

    const field = screen.getByLabelText("E-mail");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    expect(screen.getByText("Write your password.")).toBeTruthy();
    expect(asked).toEqual([]);
  });
});
