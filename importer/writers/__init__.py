"""Report formats: each module writes one. pandas, xlsxwriter and openpyxl are imported by the functions that need them."""
