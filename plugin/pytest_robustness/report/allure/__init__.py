"""What a run leaves for Allure: facts and evidence of each test, files of the run, and the built Allure 3 report."""
