/** Routes in code. Filters, sort and the open row live in the URL, checked by a schema. */

import { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { Problem } from "./api/client";
import { meQuery } from "./api/queries";
import { PageProblem } from "./components/States";
import { readOrdersSearch } from "./pages/orders/search";
import { Shell } from "./shell/Shell";

const MINUTE_MS = 60_000;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { retry: retries, gcTime: 10 * MINUTE_MS, refetchOnWindowFocus: false },
  },
});

const rootRoute = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Outlet,
  notFoundComponent: () => (
    <PageProblem
      title="There is no such page."
      action={{ label: "Go to orders", href: "/app/orders" }}
    />
  ),
});

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): { next?: string } =>
    typeof search.next === "string" && isOwnPath(search.next) ? { next: search.next } : {},
  component: lazyRouteComponent(() => import("./pages/signIn/SignIn"), "SignIn"),
});

/** Everything below needs a sign-in. */
const signedInRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "signed-in",
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queryClient.ensureQueryData(meQuery);
    } catch (problem) {
      if (problem instanceof Problem && problem.status === 401) {
        throw redirect({ to: "/sign-in", search: { next: location.href } });
      }
      throw problem;
    }
  },
  component: Shell,
  errorComponent: ({ error, reset }) => (
    <PageProblem problem={error} action={{ label: "Try again", onClick: reset }} />
  ),
});

const homeRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/orders", search: {} });
  },
});

const ordersRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: "/orders",
  validateSearch: readOrdersSearch,
  component: lazyRouteComponent(() => import("./pages/orders/Orders"), "Orders"),
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    homeRoute,
    signInRoute,
    signedInRoute.addChildren([ordersRoute]),
  ]),
  basepath: "/app",
  context: { queryClient },
  defaultPreload: "intent",
  defaultPendingMs: 150,
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

/** Only a path of this application: never another origin. */
function isOwnPath(path: string): boolean {
  return path.startsWith("/") && !path.startsWith("//") && !path.includes("\\");
}

function retries(failures: number, problem: unknown): boolean {
  const hopeless = problem instanceof Problem && problem.status >= 400 && problem.status < 500;
  return !hopeless && failures < 2;
}
