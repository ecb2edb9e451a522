"""`make demo`: one scripted trading day without a person, judged by the simulator's journal."""
