package gateway;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** The routes are in application.yml; a fallback takes a controller. */
@SpringBootApplication
@RestController
public class Application {
	@RequestMapping("/fallback")
	public String fallback() {
		return "Patient information is currently unavailable";
	}

	public static void main(String[] arguments) {
		SpringApplication.run(Application.class, arguments);
	}
}
