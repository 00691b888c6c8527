"""What people see of an experiment. Views read the records and never write them."""
