/** Before every test: nothing of the one before is left in the page. */

import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";

afterEach(cleanup);
