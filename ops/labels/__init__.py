"""What people say of assets, how far they agree, and the thresholds that follow."""
