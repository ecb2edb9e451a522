"""The whole stack on one machine: servers, simulators and services under one supervisor."""
