/* An exception that nobody catches. */
#include <iostream>
#include <stdexcept>

struct Left {
    ~Left()
    {
        std::cout << "unwound\n";
    }
};

int main()
{
    Left left;

    std::cout << "before" << std::endl;
    throw std::runtime_error("nobody wants it");
}
