module erpgo.local/tools/images

go 1.26.0
