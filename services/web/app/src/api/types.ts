/** The shapes the screen works with. What the services' OpenAPI documents say is in schema/. */

export type Side = "BUY" | "SELL";
export type Environment = "PAPER" | "LIVE";

/** One follower order, the same from `GET /orders` and from the socket. Money is a decimal string. */
export interface Order {
  order_id: string;
  version: number;
  change_id: string;
  at: string;
  state: string;
  action: string;
  signal_id: string;
  strategy_id: string;
  follow_id: string;
  master_id: string;
  account_id: string;
  broker: string;
  client_order_id: string;
  instrument: string;
  side: Side;
  product: string;
  order_type: string;
  quantity: number;
  limit_price: string | null;
  trigger_price: string | null;
  filled_quantity: number;
  average_price: string | null;
  broker_order_id: string | null;
  environment: Environment;
  /** The failed exit that this order tries again. */
  retry_of: string | null;
  reason: string | null;
  message: string;
  /** The numbers and names in our sentence. */
  figures: Record<string, string>;
  planned_at: string;
  accepted_at: string;
  sent_at: string | null;
  /** When the first word that the broker has it arrived. */
  acknowledged_at: string | null;
  /** The broker's own time of the last fill, where it names one. */
  filled_at: string | null;
}

export interface OrdersPage {
  orders: Order[];
  cursor: string;
}

/** One transition of an order, as its history keeps it. */
export interface OrderStep {
  version: number;
  state: string;
  reason: string | null;
  message: string;
  quantity: number;
  filled_quantity: number;
  average_price: string | null;
  limit_price: string | null;
  trigger_price: string | null;
  at: string;
}

export interface OrderDetail {
  order: Order;
  history: OrderStep[];
}

export interface Person {
  user_id: string;
  email: string;
  display_name: string;
  roles: string[];
}

export interface SignInOptions {
  environment: "local" | "production";
  demo_sign_ins: DemoSignIn[];
}

export interface DemoSignIn {
  email: string;
  password: string;
  display_name: string;
  roles: string[];
}

export interface Strategy {
  strategy_id: string;
  name: string;
}

export interface Notice {
  notice_id: string;
  kind: string;
  code: string;
  subject: string;
  at: string;
  figures: Record<string, string>;
  message?: string;
  read_at?: string | null;
}

/** A broker account of the signed-in person, from a `session` frame. */
export interface AccountSession {
  account_id: string;
  broker: string;
  version: number;
  session_state: "CONNECTED" | "EXPIRED" | "ERROR" | "DISCONNECTED";
  environment: Environment;
  broker_client_id: string;
}

/** What `/ws/orders` sends. A frame of another type is from a newer server and left alone. */
export type Frame =
  | { type: "hello"; server_time: string; heartbeat_s: number }
  | { type: "heartbeat"; server_time: string }
  | { type: "order"; order: Order }
  | { type: "notice"; notice: Notice }
  | { type: "session"; account: AccountSession }
  | { type: "stale"; since: string }
  | { type: "resync" };
