"""Who people are and by what right their accounts may trade: sign-ins, sessions, notices."""
