module soci.example/network

go 1.24
