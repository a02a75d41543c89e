// Command ko prints a greeting. It is the program in the image that ko builds.
package main

import "fmt"

func main() {
	fmt.Println("hello")
}
