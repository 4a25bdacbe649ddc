"""What `phi3scaffold doctor` checks in a project whose jobs go to Azure. One check a file."""
