/** Prints a greeting. It is the program in the image that Jib builds. */
public class Hello {
  public static void main(String[] arguments) {
    System.out.println("hello");
  }
}
